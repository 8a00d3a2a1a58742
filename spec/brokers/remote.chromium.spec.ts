import { jest } from '@jest/globals'
import { embedded } from '../../lib/brokers/embedded.js'
import { describeInChromium } from '../chromium.js'
import { TRANSPORTS } from './bridged.js'
import { CUTS, expectTabLikeNode } from './chromiumTab.js'

describeInChromium('a tab in Chromium over a bridge', () => {
  jest.setTimeout(120_000)

  test.each(TRANSPORTS)(
    `has over %s the windows of a Node app, record by record, after ${CUTS} cuts and a reload`,
    async (transport) => expectTabLikeNode(embedded(), transport, 2_000),
  )

  test('the same where tabs share what is local', () => expectTabLikeNode(embedded(), 'websocket', 2_000, true))
})
