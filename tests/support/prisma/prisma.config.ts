// The real Prisma CLI on this repository's schema and migrations, or on a test's own copy of them.
import path from 'node:path'
import { defineConfig } from 'prisma/config'

const folder = process.env.PRISMA_FOLDER ?? path.join(import.meta.dirname, '../../../prisma')

export default defineConfig({
  schema: path.join(folder, 'schema.prisma'),
  migrations: { path: path.join(folder, 'migrations') },
  datasource: { url: process.env.DATABASE_URL ?? '' },
})
