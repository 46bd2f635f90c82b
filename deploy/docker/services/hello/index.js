import { BotFailure, defineService } from 'halfway/bot'

export default defineService(
  {
    slug: 'hello',
    title: 'Hello',
    description: 'Asks before it greets.',
    icon: '👋',
    fields: [{ name: 'name', type: 'text', label: 'Your name', example: 'Ada' }],
    steps: [
      { id: 'preparing', title: 'Prepare', usual_seconds: 3 },
      { id: 'greeting', title: 'Greet', usual_seconds: 3 },
    ],
    result: {
      headline: 'greeting',
      fields: [{ name: 'greeting', type: 'text', label: 'Greeting' }],
    },
  },
  async ({ name }, request) => {
    await request.updateProgress(20, 'preparing', 'Preparing…')
    const isWanted = await request.askConfirm({ message: `Greet ${name}?` })
    if (!isWanted) throw new BotFailure('declined', 'No greeting was wanted.')
    await request.updateProgress(80, 'greeting', 'Greeting…')
    return { greeting: `Hello, ${name}!` }
  },
)
