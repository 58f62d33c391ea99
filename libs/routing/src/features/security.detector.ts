/**
 * Terms of security work, lower case. One hit lifts the grade, so a false alarm costs money and a miss costs
 * trust: the list leans towards alarm. Stems end where their inflections begin.
 */
const TERMS = [
  'security',
  'vulnerab',
  'exploit',
  'sql injection',
  'injection attack',
  'cross-site',
  'csrf',
  'ssrf',
  'owasp',
  'cve-',
  'malware',
  'ransomware',
  'phishing',
  'penetration test',
  'pentest',
  'threat model',
  'attack surface',
  'encrypt',
  'decrypt',
  'cryptograph',
  'authentication',
  'authenticat',
  'authoriz',
  'authoris',
  'oauth',
  'json web token',
  'password',
  'credential',
  'secrets',
  'secret key',
  'client secret',
  'hardcoded secret',
  'api key',
  'api-key',
  'private key',
  'access token',
  'access control',
  'privilege escalation',
  'path traversal',
  'directory traversal',
  'buffer overflow',
  'use-after-free',
  'remote code execution',
  'command injection',
  'prompt injection',
  'deserializ',
  'session hijack',
  'session fixation',
  'brute force',
  'man-in-the-middle',
  'zero-day',
  'backdoor',
  'firewall',
  'bcrypt',
  'argon2',
  'two-factor',
  'multi-factor',
  'tls certificate',
  'insecure',
  'securely',
  'sanitiz',
  'sanitis',
  'data breach',
] as const;

/** Short words that are terms only when they stand alone. */
const WORDS = String.raw`\b(?:xss|jwts?|mfa|rce|hmac|rbac|secure|hack(?:er|ed|ing)?|ssl|tls|sqli|xxe|ddos)\b`;

/** One pattern: sixty searches of a long text would take ten times as long. */
const SECURITY = new RegExp(`${TERMS.join('|')}|${WORDS}`);

/** Everyday phrases that contain a term without being security work. */
const INNOCENT =
  /social security|job security|food security|secrets? (?:to|of|ingredients?|santa)\b|secure (?:a|the|your) (?:job|loan|seat|place|deal|mortgage|ticket|reservation)s?\b/g;

/** The first security term in the text, or undefined. `text` must be in lower case. */
export function securityTerm(text: string): string | undefined {
  const term = SECURITY.exec(text)?.[0];
  if (term === undefined) return undefined;
  // Rarely reached, so the copy is paid only by texts that look like security work.
  return SECURITY.exec(text.replace(INNOCENT, ' '))?.[0];
}
