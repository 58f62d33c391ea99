import type { SignalInput as Candidate } from '../signals/routing.signal.js';
import { rank } from './grade.classifier.js';

/** Marks a measured success rate as worse only when it is clearly so. */
const NOISE = 0.02;

/**
 * The candidate that makes this one pointless: not dearer, trusted with at least as much, not less successful,
 * not slower, and strictly cheaper. Undefined when there is none.
 */
export function dominatorOf(
  candidate: Candidate,
  all: readonly Candidate[],
): Candidate | undefined {
  return all.find((other) => other !== candidate && dominates(other, candidate));
}

function dominates(a: Candidate, b: Candidate): boolean {
  return (
    a.expectedMicroUsd < b.expectedMicroUsd &&
    gradeRank(a) >= gradeRank(b) &&
    a.success >= b.success - NOISE &&
    (a.health.successRate ?? 1) >= (b.health.successRate ?? 1) - NOISE &&
    (a.health.p95Ms ?? 0) <= (b.health.p95Ms ?? Infinity) &&
    a.health.inflight < a.health.maxConcurrent &&
    a.health.breaker === 'closed'
  );
}

function gradeRank(candidate: Candidate): number {
  const grade = candidate.model.target.grade;
  return grade === undefined ? -1 : rank(grade);
}
