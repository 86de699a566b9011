/** Hand a text to the person as a file. */
export function download(name: string, media: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: `${media};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken the file when the click returns, but for one that asks where to put it.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
