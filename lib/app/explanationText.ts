import type { ExplainRequest, Explanation, Hold, PartitionState, SourceState, TaskExplanation } from './explanation.js'
import { LAST_DATE, timeText } from './timeText.js'

/** An explanation in words, line by line. */
export function explanationText(request: ExplainRequest, facts: Omit<Explanation, 'toString'>): string {
  const { window, key } = request
  const of = [
    ...(window === undefined ? [] : [`window [${timeText(window.start)}, ${timeText(window.end)})`]),
    ...(key === undefined ? [] : [`key ${JSON.stringify(key)}`]),
  ]
  const lines = [`${facts.kind} ${facts.operator}${of.length === 0 ? '' : `, ${of.join(', ')}`}`]
  if (facts.closesAt !== undefined) lines.push(`  closes when its time is ${timeText(facts.closesAt)}`)
  for (const task of facts.tasks) lines.push(...taskLines(task, facts.closesAt))
  if (facts.elsewhere.length > 0) lines.push(`  not in this process, or not yet: ${facts.elsewhere.join(', ')}`)
  return lines.join('\n')
}

function taskLines(task: TaskExplanation, closesAt: number | undefined): string[] {
  const { time, rule, isOpen, nextDue, waiting, heldBy, sources, waitsFor } = task
  const missing =
    isOpen === true && time > Number.NEGATIVE_INFINITY && closesAt !== Number.POSITIVE_INFINITY
      ? `, ${(closesAt as number) - time} ms short`
      : ''
  const state = isOpen === undefined ? '' : isOpen ? 'open; ' : 'closed; '
  const next = isOpen === undefined && nextDue <= LAST_DATE ? `; something is due at ${timeText(nextDue)}` : ''
  return [
    `  task ${task.task}: ${state}time ${timeText(time)} (${rule})${missing}${next}`,
    ...waiting.map(({ what, timestamp, until }) => {
      return `    waits: ${what} of ${timeText(timestamp)}, ${untilText(until)}`
    }),
    ...(isOpen === false ? [] : heldBy.map((hold) => `    held by ${holdText(hold, task.task)}`)),
    ...(waitsFor === undefined ? [] : [`    the task takes no record: ${waitsFor}`]),
    ...sources.flatMap(sourceLines),
  ]
}

function untilText(until: number | undefined): string {
  if (until === undefined) return 'until it returns'
  return until <= LAST_DATE ? `until time is ${timeText(until)}` : 'which no time closes'
}

function holdText({ rule, task, time, operator, topic, partition, writer, text }: Hold, here: string): string {
  const where = topic === undefined ? operator : partition === undefined ? topic : `${topic}[${partition}]`
  const from = writer === undefined ? '' : ` from ${writer}`
  return `${where}${from}${task === here ? '' : ` (task ${task})`}, ${rule}: ${timeText(time)}; ${text}`
}

function sourceLines({ topic, time, partition, writers }: SourceState): string[] {
  const state = partition === undefined ? 'no partition in this task' : partitionText(partition, time)
  return [
    `    ${topic}${partition === undefined ? '' : `[${partition.partition}]`}: ${state}`,
    ...writers.map(
      (one) =>
        `      from ${one.writer}${one.task === undefined ? '' : ` (task ${one.task})`}: ${timeText(one.time)}${one.isIdle ? ', idle' : ''}`,
    ),
  ]
}

function partitionText(partition: PartitionState, time: number): string {
  return [
    `time ${timeText(time)}`,
    `newest record ${timeText(partition.newest)}`,
    `${partition.lag} to read`,
    ...(partition.isIdle ? ['idle'] : []),
    ...(partition.isPaused ? ['reading ahead paused'] : []),
    ...(partition.isAhead ? ['too far ahead of its group'] : []),
  ].join(', ')
}
