"""The small page, where the full client was not built: speak and see it written. One file, nothing from outside."""

from __future__ import annotations

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>ASR Hub</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem }
button { font: inherit; padding: .4rem 1rem }
#text { min-height: 8rem; padding: 1rem; border: 1px solid #8886; border-radius: .5rem; margin: 1rem 0 }
#text p { margin: .2rem 0 } .partial { opacity: .6 } code { font-size: .9em } small { opacity: .7 }
</style></head><body>
<h1>ASR Hub</h1>
<p id="state">…</p>
<p><button id="talk">Talk</button> <small id="note"></small></p>
<div id="text" aria-live="polite"></div>
<p><a href="/docs">API docs</a> · <a href="/health">health</a> · <a href="/v1/providers">providers</a> ·
 the live protocol is the WebSocket <code>/v1/stream</code></p>
<p><small>This is the small page. The full client comes with <code>make web</code>, which needs Node.js 20.</small></p>
<script type="module">
const byId = id => document.getElementById(id), say = t => { byId('note').textContent = t }
const health = await (await fetch('/health')).json()
byId('state').textContent = `${health.status}: ${health.default_provider} listens, ` +
  `${health.sessions} of ${health.max_sessions} sessions. ${health.resolved ?? ''}`
const worklet = URL.createObjectURL(new Blob([`registerProcessor('tap', class extends AudioWorkletProcessor {
  process([[channel]]) {
    if (channel) { const pcm = Int16Array.from(channel, x => Math.max(-1, Math.min(1, x)) * 32767)
      this.port.postMessage(pcm.buffer, [pcm.buffer]) }
    return true } })`], { type: 'text/javascript' }))
let stop = null, line = null
const show = (text, isFinal) => {
  if (!line) { line = document.createElement('p'); byId('text').append(line) }
  line.textContent = text; line.className = isFinal ? '' : 'partial'
  if (isFinal) { if (!text) line.remove(); line = null }
}
async function talk() {
  const media = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } })
  const audio = new AudioContext()
  await audio.audioWorklet.addModule(worklet)
  const socket = new WebSocket(location.origin.replace(/^http/, 'ws') + '/v1/stream' + location.search)
  socket.onopen = () => socket.send(JSON.stringify({ type: 'start', format: { sample_rate: audio.sampleRate } }))
  const tap = new AudioWorkletNode(audio, 'tap')
  let waiting = [], size = 0
  socket.onmessage = ({ data }) => {
    const m = JSON.parse(data)
    if (m.type === 'ready') {
      tap.port.onmessage = ({ data }) => {
        waiting.push(data); size += data.byteLength
        if (size < audio.sampleRate / 10) return
        socket.send(new Blob(waiting)); waiting = []; size = 0
      }
      audio.createMediaStreamSource(media).connect(tap); say('listening')
    }
    if (m.type === 'partial') show(m.hypothesis.text, false)
    if (m.type === 'final') show(m.hypothesis.text, true)
    if (m.type === 'error') say(m.message)
  }
  socket.onclose = () => { tap.port.onmessage = null; audio.close(); media.getTracks().forEach(t => t.stop())
    stop = null; byId('talk').textContent = 'Talk' }
  stop = () => { tap.port.onmessage = null; socket.send('{"type":"close"}'); say('') }
  byId('talk').textContent = 'Stop'
}
byId('talk').onclick = () => stop ? stop() : talk().catch(e => say(e.message))
</script></body></html>
"""
