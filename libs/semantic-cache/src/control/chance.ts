import { Injectable } from '@nestjs/common';

/** Whether something happens that shall happen now and then. Tests bring a chance of their own. */
@Injectable()
export class Chance {
  /** A number in [0, 1). */
  next(): number {
    return Math.random();
  }
}
