/**
 * `node:http`. An ES module that imports it gets all its names at once, and one of them, `WebSocket`, makes Node load undici and
 * HTTP/2: 50 ms of the processor at each start. So it is had in the other way.
 */
export const http = process.getBuiltinModule('node:http');
