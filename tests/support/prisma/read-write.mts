// The frontend's use of its client: it reads a run that the service wrote, and creates one that the service has not seen.
// Usage: tsx read-write.mts GENERATED_CLIENT RUN_ID
import { pathToFileURL } from 'node:url'
import { PrismaPg } from '@prisma/adapter-pg'

const [generated, runId] = process.argv.slice(2)
const { PrismaClient } = await import(pathToFileURL(generated).href)
const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL }) })

const run = await prisma.pipelineRun.findUnique({
  where: { id: runId },
  include: { user: true, stageOutputs: true, opportunityCards: true, inspirationReport: true },
})
const created = await prisma.pipelineRun.create({
  data: {
    id: 'run-1700000000000-1',
    documentName: 'report.pdf',
    documentUrl: 'https://example.public.blob.vercel-storage.com/report.pdf',
    companyName: 'Lactalis Canada',
    pipelineVersion: '1.0',
    user: { create: { clerkId: 'clerk_2', email: 'user-clerk_2@temp.com' } },
  },
})
const processing = await prisma.pipelineRun.count({ where: { status: 'PROCESSING' } })
await prisma.$disconnect()
console.log(JSON.stringify({ run, created, processing }))
