import type { Migration } from './migration.js';

/**
 * What callers said and got, and what agents remember: kept only for the tiers that opted in. A session exists once
 * per caller and both tables point to it, so that erasing a caller's sessions erases all of it.
 */
export const chatHistory: Migration = {
  number: 3,
  name: 'chat-history',
  owner: 'usage',
  up: `
    CREATE TABLE chat_session (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      tenant text NOT NULL,
      caller text NOT NULL,
      session text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (tenant, caller, session)
    );
    CREATE TABLE chat_history (
      request_id uuid PRIMARY KEY,
      session_id bigint NOT NULL REFERENCES chat_session ON DELETE CASCADE,
      at timestamptz NOT NULL,
      model text NOT NULL,
      prompt jsonb NOT NULL,
      answer jsonb NOT NULL
    );
    CREATE INDEX chat_history_session ON chat_history (session_id, at, request_id);
    CREATE INDEX chat_history_at ON chat_history (at);
    CREATE TABLE agent_state (
      session_id bigint NOT NULL REFERENCES chat_session ON DELETE CASCADE,
      agent text NOT NULL,
      state jsonb NOT NULL,
      updated_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (session_id, agent)
    );
    CREATE INDEX agent_state_updated ON agent_state (updated_at);
  `,
  down: `
    DROP TABLE agent_state;
    DROP TABLE chat_history;
    DROP TABLE chat_session;
  `,
};
