import { SetMetadata } from '@nestjs/common';

export const UNLIMITED = 'sluice:unlimited';

/** Requests to this route or controller are never counted and never refused by a request limit. */
export const Unlimited = (): MethodDecorator & ClassDecorator => SetMetadata(UNLIMITED, true);
