export * from 'tidemark'
