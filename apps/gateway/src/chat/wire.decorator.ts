import { SetMetadata, type CustomDecorator } from '@nestjs/common';
import type { DialectName } from '@sluice/kernel';

export const WIRE_DIALECT = 'sluice:wire-dialect';

/** The dialect that a chat route speaks; read by WireInterceptor. */
export const Wire = (dialect: DialectName): CustomDecorator => SetMetadata(WIRE_DIALECT, dialect);
