import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ISocketFactoryArgs } from 'kafkajs'

const KEEP_ALIVE_DELAY_MS = 60_000

/**
 * A connection as kafkajs makes it itself, but for one thing: kafkajs lets go of a connection that never came about
 * again and again, each time with one more listener, of which Node would warn in every longer outage.
 */
export function openSocket({ host, port, ssl, onConnect }: ISocketFactoryArgs): Socket {
  const socket = ssl
    ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
    : connect({ host, port }, onConnect)
  return socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS).setMaxListeners(0)
}
