import { dictionary } from "./dictionary.js";

/** By the codes of docs/reference/http.md: what the page says in the hub's place. */
export const errors = dictionary({
  en: {
    hubSays: "{message}",
    unreachable: "The hub does not answer. Is it running?",
    "upload-broken": "The hub does not answer, or ended the upload.",
    "unknown-session": "This session is not here: it was closed, or its id is not this.",
    "unknown-recording": "This recording is not here: it was deleted, or made room for newer ones.",
    "recording-live": "This recording is still being made. Stop it first.",
    "not-recorded": "This session is not recorded now.",
  },
  zh: {
    hubSays: "中枢说：{message}",
    unreachable: "中枢没有应答。它在运行吗？",
    "upload-broken": "中枢没有应答，或中断了上传。",
    "unknown-session": "没有这个会话：它已关闭，或 ID 有误。",
    "unknown-recording": "没有这份录制：它已被删除，或为更新的录制让位。",
    "recording-live": "这份录制仍在进行，请先停止。",
    "not-recorded": "此会话当前没有被录制。",
  },
});
