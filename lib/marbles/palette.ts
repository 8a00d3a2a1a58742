/** Keys' colours, each with a contrast of at least 3 to its background. */
export const LIGHT = [
  '#2563d9',
  '#0b8577',
  '#7a47d1',
  '#bf2f8a',
  '#bd5308',
  '#3a841b',
  '#cc3535',
  '#86600f',
  '#47637f',
  '#0a7dab',
]
export const DARK = [
  '#6ea8ff',
  '#3fd1bf',
  '#b49bff',
  '#ff8ad1',
  '#ffa45c',
  '#8fd65a',
  '#ff8585',
  '#dcb667',
  '#a3bcd9',
  '#5ccbf5',
]
