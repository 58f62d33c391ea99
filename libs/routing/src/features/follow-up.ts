const FOLLOW_UP = new RegExp(
  String.raw`^(?:yes|yep|yeah|no|nope|ok|okay|sure|right|exactly|correct|please|thanks|thank you|continue|go on|go ahead|proceed|keep going|carry on|next|more|again|why|why not|how|how so|how come|and|and then|so|really|what else|anything else|try again|do it|do that|fix it|fix that|explain|explain (?:that|this|it|more|again|further)|elaborate|expand|shorter|longer|simpler|in more detail|tell me more|show me|example|an example|examples|same|what about .{1,40}|and .{1,30}|now .{1,30})(?: please)?$`,
  'iu',
);

/** True for what makes sense only after what was said before: "yes", "continue", "why?". */
export function isFollowUp(text: string): boolean {
  // Only short messages qualify; the patterns below must not walk a long one.
  if (text.length > 200) return false;
  const bare = text
    .trim()
    .replace(/[\s.!?,…]+$/u, '')
    .replace(/\s+/gu, ' ');
  if (bare === '') return true;
  if (bare.length > 60) return false;
  return FOLLOW_UP.test(bare.replace(/^(?:yes|ok|okay|sure|no|and|so|thanks)[,.!]\s+/iu, ''));
}
