declare module '*?raw' {
  const text: string
  export default text
}

declare module '*?worker' {
  const Made: new () => Worker
  export default Made
}

declare module 'virtual:recording/*' {
  /** Of the .jsonl.gz. */
  const url: string
  export default url
}
