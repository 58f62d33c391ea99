import type { Environment } from './environment.js';
import type { ProviderConfig } from './sluice.schema.js';

/** False for a provider whose key or credentials are absent: its models are not offered, which is no error. */
export function isProviderEnabled(provider: ProviderConfig, env: Environment): boolean {
  switch (provider.kind) {
    case 'sandbox':
    case 'mcp':
      return true;
    case 'openai':
      return provider.auth === 'none' || provider.apiKey !== undefined;
    case 'anthropic':
    case 'gemini':
      return provider.apiKey !== undefined;
    case 'bedrock':
      return (provider.region ?? env.AWS_REGION) !== undefined && hasAwsCredentials(env);
  }
}

function hasAwsCredentials(env: Environment): boolean {
  return [
    env.AWS_ACCESS_KEY_ID,
    env.AWS_PROFILE,
    env.AWS_BEARER_TOKEN_BEDROCK,
    env.AWS_WEB_IDENTITY_TOKEN_FILE,
    env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI,
    env.AWS_CONTAINER_CREDENTIALS_FULL_URI,
  ].some((value) => value !== undefined);
}
