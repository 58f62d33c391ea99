import { describe, expect, it } from '@jest/globals';
import { fastify } from 'fastify';
import { RouteTable } from './route-table.js';

const answer = (): string => 'ok';

describe('the route table', () => {
  it('tells the methods of a path, with parameters and the rest of a path', async () => {
    const app = fastify();
    RouteTable.register(app);
    app.post('/v1/chat', answer);
    app.get('/v1/keys/:id', answer);
    app.delete('/v1/keys/:id', answer);
    app.get('/v1/models/*', answer);
    await app.ready();
    expect(app.routeTable.methodsOf('/v1/chat')).toEqual(['POST']);
    expect(app.routeTable.methodsOf('/v1/keys/a.b')).toEqual(['DELETE', 'GET', 'HEAD']);
    expect(app.routeTable.methodsOf('/v1/models/a/b')).toEqual(['GET', 'HEAD']);
    expect(app.routeTable.methodsOf('/v1/keys/a/b')).toEqual([]);
    expect(app.routeTable.methodsOf('/v1/chat/x')).toEqual([]);
    expect(app.routeTable.methodsOf('/v1-chat')).toEqual([]);
    await app.close();
  });
});
