/** The style sheet of a view's shadow root. Users set the variables `--marbles-…` on the element around it. */
export const STYLE = `
:host {
  --marbles-background: #ffffff; --marbles-lane: #f5f8fb; --marbles-grid: #e4eaf0; --marbles-text: #17222e;
  --marbles-muted: #56677a; --marbles-tide: #0f7fb8; --marbles-late: #b42318; --marbles-cursor: #17222e;
  --marbles-border: #d6dfe8; --marbles-accent: #0f6c9e; --marbles-is-dark: 0;
}
@media (prefers-color-scheme: dark) {
  :host {
    --marbles-background: #0e151d; --marbles-lane: #131d27; --marbles-grid: #22303d; --marbles-text: #e8eef4;
    --marbles-muted: #9fb0c1; --marbles-tide: #38b6f1; --marbles-late: #ff9a8d; --marbles-cursor: #ffffff;
    --marbles-border: #283848; --marbles-accent: #6cc8f5; --marbles-is-dark: 1;
  }
}
[hidden] { display: none !important; }
.root {
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--marbles-text);
  background: var(--marbles-background); border: 1px solid var(--marbles-border); border-radius: 12px;
  overflow: hidden; container-type: inline-size;
}
.frame { display: grid; grid-template: "legend buttons" auto "body body" auto / minmax(0, 1fr) auto; }
.body { grid-area: body; display: grid; grid-template-columns: minmax(0, 1fr); }
.body.open { grid-template-columns: minmax(0, 1fr) 300px; }
.legend {
  grid-area: legend; display: flex; flex-wrap: wrap; gap: 3px 13px; align-content: center; margin: 0; padding: 8px 12px; list-style: none;
  font-size: 11.5px; color: var(--marbles-muted); border-bottom: 1px solid var(--marbles-border);
}
.legend li { display: flex; gap: 5px; align-items: center; white-space: nowrap; }
.legend svg { width: 16px; height: 14px; flex: none; overflow: visible; }
.buttons { grid-area: buttons; display: flex; gap: 4px; align-items: center; justify-content: end; padding: 8px 12px; border-bottom: 1px solid var(--marbles-border); }
button { font: inherit; color: inherit; background: none; border: 1px solid transparent; border-radius: 7px; cursor: pointer; }
.buttons button { min-width: 30px; height: 30px; padding: 0 8px; border-color: var(--marbles-border); color: var(--marbles-text); font-size: 13px; }
.buttons button:hover, .links button:hover { background: var(--marbles-lane); }
.buttons button[aria-pressed=true] { background: var(--marbles-accent); border-color: var(--marbles-accent); color: var(--marbles-background); }
:focus-visible { outline: 2px solid var(--marbles-accent); outline-offset: 2px; }
.stage { position: relative; min-width: 0; touch-action: pan-y; cursor: crosshair; user-select: none; -webkit-user-select: none; min-height: 80px; }
.stage:focus-visible, .details:focus-visible { outline-offset: -2px; }
.stage.drags { cursor: grabbing; }
canvas { display: block; width: 100%; }
.row { position: absolute; left: 0; pointer-events: none; }
.name { position: absolute; left: 14px; top: 50%; transform: translateY(-50%); width: 126px; line-height: 1.25; }
.name b { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; font-weight: 600; font-size: 13px; overflow: hidden; overflow-wrap: anywhere; }
.name span { display: block; font-size: 11px; color: var(--marbles-muted); overflow: hidden; text-overflow: ellipsis; }
.narrow .name { top: 5px; transform: none; width: auto; max-width: calc(100% - 20px); left: 10px; display: flex; gap: 8px; align-items: baseline; }
.narrow .name b { font-size: 12px; display: block; white-space: nowrap; text-overflow: ellipsis; flex: 0 1 auto; }
.narrow .name span { white-space: nowrap; flex: 0 1 auto; }
.day { position: absolute; left: 14px; top: 0; line-height: 30px; font-size: 11px; color: var(--marbles-muted); pointer-events: none; }
.narrow .day { display: none; }
.tip {
  position: absolute; z-index: 1; pointer-events: none; padding: 4px 8px; border-radius: 7px; font-size: 12px; white-space: pre;
  max-width: 280px; overflow: hidden; text-overflow: ellipsis; color: var(--marbles-background); background: var(--marbles-text);
  transform: translate(-50%, calc(-100% - 12px));
}
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.details { border-left: 1px solid var(--marbles-border); padding: 12px 14px 16px; overflow: auto; max-height: 640px; position: relative; box-sizing: border-box; }
.details h2 { font-size: 15px; margin: 0 34px 2px 0; display: flex; gap: 8px; align-items: center; overflow-wrap: anywhere; }
.details h2 i { width: 12px; height: 12px; border-radius: 50%; flex: none; }
.details h4 { margin: 8px 0 1px; font-size: 12px; font-weight: 600; }
.details h3 { font-size: 12px; margin: 14px 0 4px; color: var(--marbles-muted); font-weight: 600; }
.details p { margin: 0; color: var(--marbles-muted); font-size: 12px; }
.details .close { position: absolute; right: 8px; top: 8px; width: 30px; height: 30px; font-size: 16px; line-height: 1; }
.details dl { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 2px 12px; margin: 10px 0 0; font-size: 13px; }
.details dt { color: var(--marbles-muted); }
.details dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
pre { margin: 8px 0 0; padding: 8px 10px; border-radius: 8px; background: var(--marbles-lane); font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 200px; overflow: auto; }
.links { list-style: none; margin: 0; padding: 0; }
.links button { display: grid; grid-template-columns: 10px minmax(0, 1fr) auto; gap: 8px; align-items: center; width: 100%; text-align: left; padding: 4px 6px; font-size: 12.5px; }
.links i { width: 9px; height: 9px; border-radius: 50%; }
.links span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.links small { color: var(--marbles-muted); font-variant-numeric: tabular-nums; font-size: 11px; }
.empty { position: absolute; inset: 0; display: grid; place-items: center; color: var(--marbles-muted); pointer-events: none; }
@container (max-width: 720px) {
  .body.open { grid-template-columns: minmax(0, 1fr); }
  .details { border-left: 0; border-top: 1px solid var(--marbles-border); max-height: 420px; }
}
@container (max-width: 560px) {
  .frame { grid-template: "buttons" auto "body" auto "legend" auto / minmax(0, 1fr); }
  .legend { border-bottom: 0; border-top: 1px solid var(--marbles-border); }
  .buttons { padding: 6px 8px; }
}
@media (forced-colors: active) { .buttons button[aria-pressed=true] { forced-color-adjust: none; } }
`
