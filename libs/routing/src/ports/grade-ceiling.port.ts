import type { Caller, Grade } from '@sluice/kernel';

/** The highest grade that budgets leave open now (policies' `degrade` rules). */
export abstract class GradeCeiling {
  /** The grade to use instead of `grade`; equal or lower. Security work is not lowered whatever it says. */
  abstract limit(grade: Grade, caller: Caller): Grade;
}

export class NoCeiling extends GradeCeiling {
  limit(grade: Grade): Grade {
    return grade;
  }
}
