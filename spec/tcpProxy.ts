import type { AddressInfo } from 'node:net'
import { createServer, connect as dial, type Socket } from 'node:net'

/** A port that leads to another one, over a network that can break. */
export interface TcpProxy {
  readonly port: number
  /** Bytes that have come from the other side. */
  readonly received: number
  /** Breaks all connections, as a reset does. */
  cut(): void
  /** From now on nothing of the connections that are there is passed on, either way, and nobody is told. New ones work. */
  freeze(): void
  /** Refuses new connections, or takes them again. */
  refuse(refuses: boolean): void
  close(): Promise<void>
}

export async function tcpProxy(target: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let refuses = false
  let received = 0
  const server = createServer((near) => {
    if (refuses) {
      near.destroy()
      return
    }
    const far = dial(target, '127.0.0.1')
    const pair = [near, far] as const
    pairs.add(pair)
    far.on('data', ({ length }) => {
      received += length
    })
    for (const [from, to] of [pair, [far, near] as const]) {
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        to.destroy()
        pairs.delete(pair)
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    for (const [near, far] of pairs) {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
  }
  return {
    port: (server.address() as AddressInfo).port,
    get received() {
      return received
    },
    cut,
    freeze() {
      for (const pair of pairs) {
        for (const socket of pair) {
          socket.unpipe()
          socket.removeAllListeners('data')
          socket.pause()
        }
      }
    },
    refuse(value) {
      refuses = value
    },
    async close() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
