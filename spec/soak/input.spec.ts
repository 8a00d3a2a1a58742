import { DISORDER_MS, lastPayment, payments, shopVersions } from '../../soak/input.js'

const COUNT = 20_000

test('payments come out of order, within the bound and by most of it', () => {
  let newest = Number.NEGATIVE_INFINITY
  let worst = 0
  for (const { time } of payments(3, COUNT)) {
    worst = Math.max(worst, newest - time)
    newest = Math.max(newest, time)
  }
  expect(worst).toBeLessThanOrEqual(DISORDER_MS)
  expect(worst).toBeGreaterThan(DISORDER_MS * 0.7)
})

test('no two have the same time, and each has its number; a shorter run is not another one until it ends', () => {
  const all = payments(3, COUNT)
  expect(new Set(all.map(({ time }) => time)).size).toBe(COUNT)
  expect(all.every(({ n }, i) => n === i)).toBe(true)
  expect(payments(3, COUNT / 2).slice(0, COUNT / 4)).toEqual(all.slice(0, COUNT / 4))
  expect(payments(4, COUNT)).not.toEqual(all)
})

test('the last payment of a partition brings time past every window', () => {
  const newest = Math.max(...payments(3, COUNT).map(({ time }) => time))
  expect(lastPayment(COUNT).time - DISORDER_MS).toBeGreaterThan(newest + 3_600_000)
})

test('some shops begin late, some are deleted, and versions of a shop come by time', () => {
  const versions = shopVersions(3, COUNT)
  const first = Math.min(...payments(3, COUNT).map(({ time }) => time))
  const shops = [...new Set(versions.map(({ shop }) => shop))].map((shop) =>
    versions.filter((one) => one.shop === shop),
  )
  expect(shops.some(([earliest]) => (earliest?.time as number) > first)).toBe(true)
  expect(shops.some(([earliest]) => (earliest?.time as number) < first)).toBe(true)
  expect(versions.some(({ tier }) => tier === null)).toBe(true)
  for (const own of shops)
    expect(own.map(({ time }) => time)).toEqual(own.map(({ time }) => time).toSorted((a, b) => a - b))
})
