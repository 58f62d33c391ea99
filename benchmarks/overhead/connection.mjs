// One keep-alive HTTP/1.1 connection on a bare socket: as little work as possible on the measuring side.
import { connect } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = '0\r\n\r\n';

export class Connection {
  #socket;
  #host;
  #head = '';
  #waiting;
  #received = [];
  #bytes = 0;
  /** Of the answer being read: undefined before its head has come. */
  #answer;

  /** @param headers of every request on this connection */
  constructor(url, path, headers) {
    const { hostname, port } = new URL(url);
    this.#host = { host: hostname, port: Number(port) };
    const lines = Object.entries({ 'content-type': 'application/json', ...headers });
    this.#head =
      `POST ${path} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n` +
      lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  }

  /**
   * Sends one request; resolves when its answer is complete, with the times at which it began and ended.
   * @param leave close the connection as soon as the answer begins, as a caller does who no longer wants it
   */
  async call(body, leave = false) {
    this.#socket ??= this.#open();
    const text = `${this.#head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject, leave };
      this.#socket.write(text);
    });
  }

  close() {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open() {
    const socket = connect(this.#host).setNoDelay(true);
    // One that was left may still speak while the next one is in use.
    socket.on('data', (data) => {
      if (this.#socket === socket && this.#waiting !== undefined) this.#read(data);
    });
    const gone = (error) => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      const waiting = this.#waiting;
      this.#reset();
      waiting?.reject(error ?? new Error('the connection was closed'));
    };
    socket.on('error', gone);
    socket.on('close', () => gone());
    return socket;
  }

  #reset() {
    this.#waiting = undefined;
    this.#answer = undefined;
    this.#received = [];
    this.#bytes = 0;
  }

  #read(data) {
    this.#received.push(data);
    this.#bytes += data.length;
    this.#answer ??= this.#readHead();
    const answer = this.#answer;
    if (answer === undefined) return;
    if (answer.first === undefined && this.#bytes > answer.bodyAt) answer.first = performance.now();
    const complete =
      answer.length === undefined
        ? endsWithLastChunk(this.#received, this.#bytes - answer.bodyAt)
        : this.#bytes >= answer.bodyAt + answer.length;
    const { resolve, leave } = this.#waiting;
    if (!complete && !(leave && answer.first !== undefined)) return;
    const end = performance.now();
    this.#reset();
    if (!complete) this.close();
    resolve({ status: answer.status, first: answer.first ?? end, end });
  }

  #readHead() {
    const bytes = this.#received.length === 1 ? this.#received[0] : Buffer.concat(this.#received);
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) return undefined;
    const head = bytes.toString('latin1', 0, end).toLowerCase();
    const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
    return {
      status: Number(head.slice(9, 12)),
      length: length === undefined ? undefined : Number(length),
      bodyAt: end + HEAD_END.length,
      first: undefined,
    };
  }
}

/** The chunk that ends a body may itself come in pieces. */
function endsWithLastChunk(received, bodyBytes) {
  if (bodyBytes < LAST_CHUNK.length) return false;
  let tail = '';
  for (let i = received.length - 1; i >= 0 && tail.length < LAST_CHUNK.length; i--)
    tail = received[i].toString('latin1', Math.max(0, received[i].length - 5)) + tail;
  return tail.endsWith(LAST_CHUNK);
}
