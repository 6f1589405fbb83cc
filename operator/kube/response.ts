import type { IncomingMessage } from 'node:http';

/** Reads what the API server sends. */

/**
 * The lines of a response, as they come. Written by hand, because readline's own iterator does not end when the
 * connection breaks.
 */
export async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  response.setEncoding('utf8');
  let rest = '';
  for await (const chunk of response) {
    const lines = (rest + (chunk as string)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

/** All of a response. @throws what breaks the connection */
export async function textOf(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) text += chunk as string;
  return text;
}
