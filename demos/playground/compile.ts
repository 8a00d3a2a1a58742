import { transform } from 'sucrase'

export class BadCode extends Error {
  constructor(
    message: string,
    readonly line: number | undefined,
  ) {
    super(message)
  }
}

/**
 * Takes the types away and makes a CommonJS module of it, line by line: nothing moves.
 *
 * @throws BadCode where it is no TypeScript
 */
export function compile(code: string): string {
  try {
    return transform(code, {
      transforms: ['typescript', 'imports'],
      disableESTransforms: true,
      preserveDynamicImport: true,
    }).code
  } catch (error) {
    const { message, loc } = error as Error & { loc?: { line: number } }
    throw new BadCode(message.replace(/\s*\(\d+:\d+\)$/, ''), loc?.line)
  }
}
