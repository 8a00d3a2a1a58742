/** Besides the view's, of a state table. */
export const TABLE_STYLE = `
.root { display: block; overflow: auto; container-type: inline-size; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
caption { position: sticky; left: 0; box-sizing: border-box; width: 100cqi; text-align: left; padding: 10px 12px 8px; font-weight: 600; font-size: 13px; }
th, td { text-align: left; padding: 5px 12px; border-top: 1px solid var(--marbles-grid); white-space: nowrap; max-width: 220px; overflow: hidden; text-overflow: ellipsis; }
thead th { font-size: 11px; font-weight: 600; color: var(--marbles-muted); }
tbody th { font-weight: 600; }
@container (max-width: 400px) { table { font-size: 12px; } th, td { padding-inline: 5px; } tr > :first-child { padding-inline-start: 12px; } }
tr.fresh { animation: fresh 1.2s ease-out; }
@keyframes fresh { from { background: color-mix(in srgb, var(--marbles-tide) 34%, transparent); } to { background: transparent; } }
@media (prefers-reduced-motion: reduce) { tr.fresh { animation: none; box-shadow: inset 3px 0 var(--marbles-tide); } }
`
