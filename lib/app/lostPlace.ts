import { TidemarkError } from '../record/errors.js'

/** Of a reader whose place isn't in the log any more. Its consumer would go on, but what comes then isn't what comes next, and a start would refuse it, too. */
export const lostPlace = ({ reason, place, cause }: TidemarkError): TidemarkError =>
  new TidemarkError(
    'OFFSET_OUT_OF_RANGE',
    `${reason}. What is there isn't what follows on what has been read, so the app ends here: the topic was made anew, or retention has deleted records before they were read. Clear the checkpoint to start from what is there`,
    place,
    cause === undefined ? {} : { cause },
  )
