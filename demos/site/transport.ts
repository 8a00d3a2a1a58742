import { instant } from '../shared/instant.js'
import { element } from './element.js'
import { icon } from './icon.js'
import type { Opened } from './messages.js'
import type { Player, Scene } from './player.js'

const SPEEDS = [0.1, 1, 10, 60, 300, 1_000, Number.POSITIVE_INFINITY]
/** Bars that show how far out of order the records are. */
const BARS = 150

/** The controls of a replay: play and pause, one record on or back, speed, and a slider over the recording. */
export class Transport {
  readonly root: HTMLElement
  private readonly play = element('button', { type: 'button', class: 'main play', onclick: () => this.toggle() })
  private readonly back = this.stepper(-1, 'back', 'One record back')
  private readonly on = this.stepper(1, 'on', 'One record on')
  private readonly slider = element('input', {
    type: 'range',
    min: 0,
    max: 0,
    value: 0,
    'aria-label': 'Position in the recording',
    oninput: () => this.seek(Number(this.slider.value)),
  })
  private readonly bars = element('div', { class: 'bars', 'aria-hidden': 'true' })
  private readonly place = element('output', { class: 'place' })
  private readonly clock = element('output', { class: 'clock' })
  private isPlaying = false
  private size = 0
  private index = 0

  constructor(
    private readonly player: Player,
    private speed: number,
  ) {
    const select = element(
      'select',
      { 'aria-label': 'Speed', onchange: () => this.accelerate(Number(select.value)) },
      ...SPEEDS.map((speed) =>
        element(
          'option',
          { value: speed, selected: speed === this.speed },
          Number.isFinite(speed) ? `${speed} ×` : 'max',
        ),
      ),
    )
    this.root = element(
      'section',
      { class: 'transport', 'aria-label': 'Replay' },
      element('div', { class: 'buttons' }, this.back, this.play, this.on, select),
      element('div', { class: 'track' }, this.bars, this.slider),
      element('div', { class: 'readout' }, this.clock, this.place),
    )
    this.label()
    addEventListener('keydown', (event) => this.key(event))
  }

  opened({ size, timestamps }: Opened): void {
    this.size = size
    this.slider.max = String(size)
    this.player.send({ type: 'speed', speed: this.speed })
    this.bars.replaceChildren(
      ...disorder(timestamps).map((share) => element('i', { style: `--share:${share.toFixed(3)}` })),
    )
  }

  draw({ opened, index, time: now, state }: Scene): void {
    this.index = index
    const isPlaying = state === 'playing'
    if (isPlaying !== this.isPlaying) {
      this.isPlaying = isPlaying
      this.label()
    }
    if (state !== 'seeking') this.slider.value = String(index)
    this.back.disabled = index === 0
    this.on.disabled = index === opened.size
    const time = index === 0 ? '–' : instant(now)
    this.clock.textContent = time
    this.place.textContent = `record ${index.toLocaleString('en')} of ${opened.size.toLocaleString('en')}`
    this.slider.setAttribute('aria-valuetext', `record ${index} of ${opened.size}, event time ${time}`)
    this.root.style.setProperty('--share', String(opened.size === 0 ? 0 : index / opened.size))
  }

  toggle(): void {
    // At the end there is only the beginning to go on from.
    if (!this.isPlaying && this.index === this.size) this.player.send({ type: 'seek', index: 0 })
    this.player.send({ type: this.isPlaying ? 'pause' : 'play' })
  }

  seek(index: number): void {
    this.player.send({ type: 'seek', index })
  }

  private accelerate(speed: number): void {
    this.speed = speed
    this.player.send({ type: 'speed', speed })
  }

  private stepper(records: number, name: 'back' | 'on', label: string): HTMLButtonElement {
    const onclick = () => this.player.send({ type: 'step', records })
    const button = element('button', { type: 'button', class: 'step', 'aria-label': label, title: label, onclick })
    button.append(icon(name))
    return button
  }

  private label(): void {
    const label = this.isPlaying ? 'Pause' : 'Play'
    this.play.replaceChildren(icon(this.isPlaying ? 'pause' : 'play'), element('span', {}, label))
    this.play.title = `${label} (space)`
  }

  private key(event: KeyboardEvent): void {
    if (event.key !== ' ' || event.defaultPrevented) return
    const { target } = event
    if (
      target instanceof Element &&
      target.closest('button, select, textarea, input:not([type=range]), a, summary, [contenteditable]')
    )
      return
    event.preventDefault()
    this.toggle()
  }
}

/** By stretches of the recording, how far its records are behind the newest so far: from 0 to 1, the furthest. */
function disorder(timestamps: Float64Array): number[] {
  const bars = new Array<number>(Math.min(BARS, timestamps.length)).fill(0)
  let newest = Number.NEGATIVE_INFINITY
  timestamps.forEach((timestamp, index) => {
    newest = Math.max(newest, timestamp)
    const bar = Math.floor((index / timestamps.length) * bars.length)
    bars[bar] = Math.max(bars[bar] as number, newest - timestamp)
  })
  const furthest = Math.max(1, ...bars)
  return bars.map((behind) => Math.sqrt(behind / furthest))
}
