const MIN_SPAN_MS = 10
const MAX_SPAN_MS = 10 * 365 * 86_400_000
/** In which the view catches up with time by two thirds, ms. */
const EASE_MS = 140
/** How much of the view is left free ahead of the newest record. */
const AHEAD = 0.12

/** Which stretch of event time is in view, and how it moves. */
export class Camera {
  from = 0
  isFollowing = true
  private isPlaced = false

  constructor(public span: number) {}

  get to(): number {
    return this.from + this.span
  }

  /** Moves on towards the newest record. @returns whether it is still on its way */
  follow(newest: number, elapsedMs: number, isInstant: boolean): boolean {
    if (!this.isFollowing || !Number.isFinite(newest)) return false
    const target = newest - this.span * (1 - AHEAD)
    const distance = target - this.from
    const isNear = Math.abs(distance) < this.span / 4_000
    if (!this.isPlaced || isNear || isInstant || Math.abs(distance) > this.span * 3) {
      this.isPlaced = true
      this.from = target
      return false
    }
    this.from += distance * (1 - Math.exp(-elapsedMs / EASE_MS))
    return true
  }

  /** Moves by a part of the view. */
  pan(part: number): void {
    this.isFollowing = false
    this.isPlaced = true
    this.from += part * this.span
  }

  /** Shows `factor` times as much, around a place: 0 the left edge, 1 the right one. */
  zoom(factor: number, around: number): void {
    const span = Math.min(MAX_SPAN_MS, Math.max(MIN_SPAN_MS, this.span * factor))
    const pin = this.isFollowing ? 1 - AHEAD : around
    this.from += (this.span - span) * pin
    this.span = span
  }

  show(from: number, to: number): void {
    this.isFollowing = false
    this.isPlaced = true
    this.span = Math.min(MAX_SPAN_MS, Math.max(MIN_SPAN_MS, to - from))
    this.from = from
  }

  /** Brings a time into view, if it isn't. */
  reveal(time: number): void {
    const margin = this.span * 0.08
    if (time >= this.from + margin && time <= this.to - margin) return
    this.isFollowing = false
    this.from = time - this.span / 2
  }

  /** What it shows, moved by whole device pixels: so things keep their distances. @param width CSS pixels */
  inWholePixels(width: number): Pick<Camera, 'from' | 'to' | 'span'> {
    const { span } = this
    const scale = (width * (globalThis.devicePixelRatio || 1)) / span
    const from = Math.round(this.from * scale) / scale
    return { from, span, to: from + span }
  }
}
