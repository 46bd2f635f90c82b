/** Texts of the list of own requests, of the code on another device, and of keeping and deleting requests. */
export const enLeaving = {
  'own.title': 'Your requests',
  'own.lead': 'Started in this browser. Only you see this list.',
  'own.started': 'Started at {time}',

  'device.offer': 'Enter the code on another device',
  'device.text':
    'Scan this with the camera of the other device, or send it the link. It shows only the field for the code.',
  'device.once':
    'The link works once, and only while this code is asked for. Anyone who has it can type the code, and sees nothing else.',
  'share.title': 'The link is ready',
  'share.text':
    'Anyone with this link can see this page until {time}, but not change anything. Give it only to people you trust.',
  'share.select': 'To copy the link, press and hold it, or right-click it.',
  'share.send': 'Send the link',
  'share.open': 'This page is shared: anyone with a link that you made can see it.',
  'share.end': 'Stop sharing',
  'share.ended': 'Sharing has stopped. The links you made no longer work.',
  'share.failed': 'That did not work. Please try again.',
  'share.result': 'The result is ready',
  'share.received': 'Someone shared this page with you. You can view it, but not change anything.',
  'device.local': 'This link only opens on this computer.',
  'device.qr': 'QR code of the link',
  'device.copy': 'Copy the link',
  'device.failed': 'The link was not made. Please try again.',
  'device.title': 'Type the code',
  'device.lead': 'Your request on the other device is waiting for this code.',
  'device.sent_title': 'Thank you',
  'device.sent':
    'The code was handed over. You can close this page: the other device goes on, and says whether the code was right.',

  'life.title': 'How long this is kept',
  'life.until': 'The request, what you typed and the result are kept until {time}, then deleted.',
  'life.until_without_result': 'The request and what you typed are kept until {time}, then deleted.',
  'life.until_shared': 'This page is kept until {time}, then deleted.',
  'life.kept': 'This is longer than usual, as you asked.',
  'life.keep': 'Keep for 24 hours',
  'life.keep_failed': 'Nothing was changed. Please try again.',
  'life.delete': 'Delete now',

  'delete.title': 'Delete this request now?',
  'delete.text':
    'The request, what you typed, the result and its files are deleted at once, on every device. This cannot be undone.',
  'delete.keep': 'No, keep it',
  'delete.confirm': 'Yes, delete it',
  'delete.failed': 'The request was not deleted. Please try again.',

  'problem_text.link_revoked':
    'Sharing was stopped, or the page was deleted. If you still need it, please ask the person who sent you the link.',
  'problem_text.link_over':
    'A link like this works once, and only while its code is asked for. If the code is still needed, please look at the device on which you started.',
} as const
