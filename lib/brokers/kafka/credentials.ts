import { createSecureContext } from 'node:tls'
import type { KafkaConfig, OauthbearerProviderResponse } from 'kafkajs'
import { TidemarkError } from '../../record/errors.js'

const PAUSE_MS = 200

export interface CredentialOptions {
  /** As kafkajs takes it: `true`, or options of Node's `tls.connect`. */
  readonly ssl?: KafkaConfig['ssl']
  /** As kafkajs takes it, as `{ mechanism: 'scram-sha-512', username, password }`. */
  readonly sasl?: KafkaConfig['sasl']
}

/**
 * TLS and SASL options as kafkajs shall have them: a copy, since kafkajs writes into what it is given.
 *
 * @param patienceMs how long an `oauthBearerProvider` that fails is asked again
 * @throws TidemarkError `BAD_OPTION` for a certificate or key that can't be read
 */
export function credentials({ ssl, sasl }: CredentialOptions, patienceMs: number): Pick<KafkaConfig, 'ssl' | 'sasl'> {
  if (typeof ssl === 'object') checkTls(ssl)
  return {
    ...(ssl !== undefined && { ssl: typeof ssl === 'object' ? { ...ssl } : ssl }),
    ...(sasl !== undefined && { sasl: isBearer(sasl) ? bearer(sasl, patienceMs) : ({ ...sasl } as Sasl) }),
  }
}

type Sasl = NonNullable<KafkaConfig['sasl']>
type Bearer = Extract<Sasl, { mechanism: 'oauthbearer' }>

/** Else each attempt to connect would fail by it, as if a broker were to blame. */
function checkTls(ssl: Exclude<KafkaConfig['ssl'], boolean | undefined>): void {
  try {
    createSecureContext(ssl)
  } catch (cause) {
    throw new TidemarkError(
      'BAD_OPTION',
      `kafka: ssl has a certificate or key that can't be read: ${(cause as Error).message}`,
      {},
      { cause },
    )
  }
}

function isBearer(sasl: Sasl): sasl is Bearer {
  return sasl.mechanism.toLowerCase() === 'oauthbearer' && 'oauthBearerProvider' in sasl
}

/**
 * OAUTHBEARER (RFC 7628) of our own: kafkajs doesn't look at the broker's answer, takes a refused token for an accepted one, and
 * is then cut off at each request.
 */
function bearer({ oauthBearerProvider }: Bearer, patienceMs: number): Sasl {
  return {
    mechanism: 'oauthbearer',
    authenticationProvider: ({ saslAuthenticate }) => ({
      async authenticate() {
        const token = await tokenOf(oauthBearerProvider, patienceMs)
        const refusal = await saslAuthenticate({ request: tokenRequest(token), response: REFUSAL })
        if (refusal) throw refused(`the broker refused the token: ${refusal}`)
      },
    }),
  }
}

/** Who issues tokens may be away for a while. Waited for here: after an attempt that ended, the broker takes no second one on a connection. */
async function tokenOf(
  provider: Bearer['oauthBearerProvider'],
  patienceMs: number,
): Promise<OauthbearerProviderResponse> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    try {
      return await provider()
    } catch (cause) {
      if (Date.now() + PAUSE_MS > deadline)
        throw refused(`oauthBearerProvider gave no token: ${cause instanceof Error ? cause.message : String(cause)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

/** An error in the manner of kafkajs, which shall not try again. */
const refused = (text: string) =>
  Object.assign(new Error(text), { type: 'SASL_AUTHENTICATION_FAILED', retriable: false })

function tokenRequest({ value }: OauthbearerProviderResponse) {
  const text = Buffer.from(`n,,\x01auth=Bearer ${value}\x01\x01`)
  const size = Buffer.alloc(4)
  size.writeInt32BE(text.length)
  return { encode: () => Buffer.concat([size, text]) }
}

/** Nothing, or JSON that says why not. */
const REFUSAL = {
  decode: (bytes: Buffer) => bytes.subarray(4),
  parse: (bytes: Buffer) => bytes.toString('utf8'),
}
