import type { Plan, PlanNode } from './plan.js'

/** The plan as indented text: sub-topologies, their operators in order, and what feeds each. */
export function describeText(plan: Plan): string {
  const lines = [`app ${plan.app} (plan ${plan.fingerprint})`]
  for (const sub of plan.subTopologies) {
    lines.push(`  sub-topology ${sub.id}`)
    for (const node of nodesOf(plan, sub.id)) {
      const inputs = node.inputs.map((input) => plan.nodes.get(input)?.label)
      lines.push(`    ${node.label}${inputs.length === 0 ? '' : `  <- ${inputs.join(', ')}`}`)
    }
    if (sub.states.size > 0) lines.push(`    states: ${[...sub.states.keys()].join(', ')}`)
  }
  if (plan.globalTables.length > 0) lines.push(`  global tables: ${plan.globalTables.join(', ')}`)
  if (plan.deadLetters.length > 0) lines.push(`  dead letters: ${plan.deadLetters.join(', ')}`)
  return lines.join('\n')
}

/** The plan as a Mermaid flowchart. */
export function describeMermaid(plan: Plan): string {
  const ids = new Map([...plan.nodes.keys()].map((definition, index) => [definition, `n${index}`]))
  const lines = ['flowchart LR']
  for (const sub of plan.subTopologies) {
    lines.push(`  subgraph s${sub.id}["sub-topology ${sub.id}"]`)
    for (const node of nodesOf(plan, sub.id))
      lines.push(`    ${ids.get(node.definition)}["${node.label.replace(/"/g, '#quot;')}"]`)
    lines.push('  end')
  }
  for (const node of plan.nodes.values()) {
    for (const input of node.inputs) lines.push(`  ${ids.get(input)} --> ${ids.get(node.definition)}`)
    const { role } = node.definition
    if (role?.is === 'writer') lines.push(`  ${ids.get(node.definition)} -.-> ${ids.get(role.exchange())}`)
  }
  return lines.join('\n')
}

const nodesOf = (plan: Plan, id: number): PlanNode[] =>
  [...plan.nodes.values()].filter((node) => node.subTopology === id)
