import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Something that answers on this machine, at a port that was free. */
export interface Served {
  /** Ends with a slash. */
  readonly url: string
  close(): Promise<void>
}

export async function serve(answer: RequestListener): Promise<Served> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
