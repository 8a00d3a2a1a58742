import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort, type RunningKafka, startKafka } from './launcher.js'

const run = promisify(execFile)

/** A broker that demands TLS, and a password or a client's certificate; it goes by access lists. */
export interface SecuredKafka extends Pick<RunningKafka, 'stop'> {
  /** Plaintext, where everybody may do everything: to set the stage by. */
  readonly open: string
  /** TLS and SASL: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER (unsecured tokens). Sessions end after some seconds. */
  readonly sasl: string
  /** TLS with a certificate of the client's. */
  readonly mutual: string
  /** The certificate to trust, and one of an authority that signed nothing here. */
  readonly ca: string
  readonly otherCa: string
  readonly client: { readonly cert: string; readonly key: string }
}

/** Who may do what: `app` everything, by any mechanism; `guest` can prove who it is and may do nothing. */
export const PASSWORDS = { app: 'apps-long-password', guest: 'guests-long-password' }

/** How long a SASL session lasts: then a client has to prove again who it is. */
export const SESSION_MS = 12_000

/** A token (JWT) that the broker takes without a signature. */
export function token(user: string, expiresInS = 3_600): string {
  const now = Math.floor(Date.now() / 1_000)
  const part = (data: object) => Buffer.from(JSON.stringify(data)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ sub: user, iat: now + Math.min(0, 2 * expiresInS), exp: now + expiresInS })}.`
}

export async function startSecuredKafka(): Promise<SecuredKafka> {
  const dir = await mkdtemp(join(tmpdir(), 'kafka-secured-'))
  try {
    const [ca, otherCa] = [await authority(dir, 'ca'), await authority(dir, 'other-ca')]
    await certificate(dir, 'broker', 'subjectAltName=IP:127.0.0.1,DNS:localhost')
    await certificate(dir, 'app', 'extendedKeyUsage=clientAuth')
    const [sasl, mutual] = [await freePort(), await freePort()]
    const kafka = await startKafka({
      dir: join(dir, 'kafka'),
      listeners: [`SASL_SSL://127.0.0.1:${sasl}`, `SSL://127.0.0.1:${mutual}`],
      properties: properties(dir),
      format: Object.entries(PASSWORDS).flatMap(([name, password]) =>
        ['SCRAM-SHA-256', 'SCRAM-SHA-512'].map((kind) => `--add-scram=${kind}=[name=${name},password=${password}]`),
      ),
    })
    return {
      open: kafka.brokers,
      sasl: `127.0.0.1:${sasl}`,
      mutual: `127.0.0.1:${mutual}`,
      ca,
      otherCa,
      client: {
        cert: await readFile(join(dir, 'app.crt'), 'utf8'),
        key: await readFile(join(dir, 'app.key'), 'utf8'),
      },
      async stop() {
        await kafka.stop()
        await rm(dir, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await rm(dir, { recursive: true, force: true })
    throw error
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

async function authority(dir: string, name: string): Promise<string> {
  const files = ['-keyout', join(dir, `${name}.key`), '-out', join(dir, `${name}.crt`)]
  await run('openssl', ['req', '-x509', ...NEW_KEY, ...files, '-days', '2', '-subj', `/CN=${name}`])
  return readFile(join(dir, `${name}.crt`), 'utf8')
}

/** Makes `<name>.key`, `<name>.crt`, and `<name>.pem` with both, signed by `ca`. */
async function certificate(dir: string, name: string, extension: string): Promise<void> {
  const path = (kind: string) => join(dir, `${name}.${kind}`)
  await run('openssl', ['req', ...NEW_KEY, '-keyout', path('key'), '-out', path('csr'), '-subj', `/CN=${name}`])
  await writeFile(path('ext'), extension)
  const signer = ['-CA', join(dir, 'ca.crt'), '-CAkey', join(dir, 'ca.key'), '-CAcreateserial']
  const files = ['-in', path('csr'), '-out', path('crt'), '-extfile', path('ext')]
  await run('openssl', ['x509', '-req', ...signer, ...files, '-days', '2'])
  await writeFile(path('pem'), `${await readFile(path('key'), 'utf8')}${await readFile(path('crt'), 'utf8')}`)
}

function properties(dir: string): string {
  const login = (kind: string) => `org.apache.kafka.common.security.${kind} required`
  const users = Object.entries(PASSWORDS).map(([name, password]) => `user_${name}="${password}"`)
  return `
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
ssl.keystore.type=PEM
ssl.keystore.location=${join(dir, 'broker.pem')}
ssl.truststore.type=PEM
ssl.truststore.location=${join(dir, 'ca.crt')}
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl_ssl.plain.sasl.jaas.config=${login('plain.PlainLoginModule')} ${users.join(' ')};
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=${login('scram.ScramLoginModule')};
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=${login('scram.ScramLoginModule')};
listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=${login('oauthbearer.OAuthBearerLoginModule')} unsecuredLoginStringClaim_sub="broker";
connections.max.reauth.ms=${SESSION_MS}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:app;User:CN=app
`
}
