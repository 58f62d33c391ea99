import type { ChatCall, ChatHandler, ChatInterceptor, ChatReply } from '@sluice/kernel';

/**
 * Folds interceptors, outermost first, around a handler.
 * Calling `next` twice is refused: it would ask, and pay, an upstream twice for one call.
 */
export function compose(
  interceptors: readonly ChatInterceptor[],
  handler: ChatHandler,
): ChatHandler {
  return interceptors.reduceRight<ChatHandler>(
    (next, interceptor) => (call) => interceptor.around(call, once(next)),
    handler,
  );
}

function once(next: ChatHandler): ChatHandler {
  let called = false;
  return (call: ChatCall): Promise<ChatReply> => {
    if (called) return Promise.reject(new Error('an interceptor called next() twice'));
    called = true;
    return next(call);
  };
}
