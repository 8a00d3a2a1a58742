import { type Broker, createApp, embedded, type Table, type Window } from '../../lib/index.js'
import { createReplay, openRecording, type Recording, type Replay, type ReplayOutput } from '../../lib/replay/index.js'
import { idb } from '../../lib/stores/idb.js'
import { byRow, counting, PARTITIONS, type Row } from './clicks.js'

/* The page of replay.chromium.spec.ts: a file comes by drag and drop or by an input, as users bring it. */
document.body.innerHTML = '<input type="file"><div id="drop">drop a recording here</div>'

type Counts = Table<string, number, Window>
type Written = Pick<ReplayOutput, 'key' | 'value' | 'headers'>
let recording: Recording | undefined
let replay: Replay<{ counts: Counts }> | undefined
let problem: string | undefined
let running: { readonly broker: Broker; readonly counts: Counts } | undefined

async function take(files: FileList | null | undefined): Promise<void> {
  try {
    await replay?.close()
    recording = await openRecording(files?.[0] as File)
    replay = createReplay({ recording, pipeline: counting })
  } catch (error) {
    problem = String(error)
  }
}

const drop = document.getElementById('drop') as HTMLElement
const input = document.querySelector('input') as HTMLInputElement
drop.ondragover = (event) => event.preventDefault()
drop.ondrop = (event) => {
  event.preventDefault()
  void take(event.dataTransfer?.files)
}
input.onchange = () => void take(input.files)

const rowsOf = (counts: Counts) => [...counts.entries()].map(([key, n, { start }]): Row => [key, start, n]).sort(byRow)

function closedOf(outputs: Iterable<Written>): Row[] {
  const text = (bytes: Uint8Array | null) => new TextDecoder().decode(bytes as Uint8Array)
  const start = ({ headers }: Written) => text(headers.find(([name]) => name === 'tidemark-window')?.[1] ?? null)
  return Array.from(
    outputs,
    (one): Row => [text(one.key), Number(start(one).split(',')[0]), Number(text(one.value))],
  ).sort(byRow)
}

const page = {
  status: () => ({ size: replay?.recording.size, problem }),

  async seek(index: number) {
    const isThere = await replay?.seek({ index })
    return { isThere, ...page.seen() }
  },

  async play(records: number) {
    if (replay === undefined) return undefined
    const end = Math.min(replay.recording.size, replay.position.index + records)
    replay.speed = Number.POSITIVE_INFINITY
    replay.play()
    while (replay.position.index < end) await new Promise((resolve) => setTimeout(resolve, 0))
    await replay.pause()
    return page.seen()
  },

  seen: () =>
    replay && {
      index: replay.position.index,
      open: rowsOf(replay.result.counts),
      closed: closedOf(replay.outputs('closed')),
    },

  /** Runs an app in this tab over what it stored, and gives it the next records. Tells how many it had, and its rows before. */
  async live(records: number) {
    const store = idb('live')
    const broker = embedded({ store })
    await broker.connect()
    await broker.createTopics([
      { topic: 'clicks', partitions: PARTITIONS },
      { topic: 'closed', partitions: PARTITIONS },
    ])
    const app = createApp({ id: 'live', broker, store })
    const { counts } = counting(app)
    await app.start()
    const opened = rowsOf(counts)
    running = { broker, counts }
    const before = (await broker.ranges('clicks')).reduce((sum, { end }) => sum + end, 0)
    const producer = await broker.producer()
    for (let n = before; n < before + records; n++) await producer.send([(recording as Recording).record(n)])
    return { before, opened }
  },

  /** What that app shows, and has written. */
  async liveSeen() {
    const { broker, counts } = running as NonNullable<typeof running>
    const found: Written[] = []
    for (const [partition, { end }] of (await broker.ranges('closed')).entries())
      await broker.read({ topic: 'closed', partition }, 0, end, ({ records }) => {
        found.push(...records)
      })
    return { open: rowsOf(counts), closed: closedOf(found) }
  },
}

export type ReplayPage = typeof page
Object.assign(globalThis, { replay: page })
