import { describe, expect, it } from '@jest/globals';
import { parseExact } from '@sluice/kernel';
import { bodyOf, optionalObject, optionalString, type Json } from './field.check.js';

/** A number that keeps its digits is an object to JavaScript, and a number to everybody else. */
describe('a number beyond 2^53', () => {
  const number = '12345678901234567890';
  const body = parseExact(`{"stream_options":${number},"user":${number}}`) as Json;

  it('is no object', () => {
    expect(() => bodyOf(parseExact(number))).toThrow('The request body must be a JSON object.');
    expect(() => optionalObject(body, 'stream_options')).toThrow(
      "'stream_options' must be an object, but got a value of type number.",
    );
  });

  it('is called a number where a text is wanted', () => {
    expect(() => optionalString(body, 'user')).toThrow(
      "'user' must be a string, but got a value of type number.",
    );
  });
});
