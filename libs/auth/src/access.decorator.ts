import { SetMetadata } from '@nestjs/common';

/** Who may call a route. Without a decorator: any identified caller. */
export type Access = 'public' | 'caller' | 'admin';

export const ACCESS = 'sluice:access';

/** Opens a route, or all of a controller's, to requests without identity; they have no `caller`. */
export const Public = () => SetMetadata(ACCESS, 'public' satisfies Access);

/** Only callers with the admin scope. */
export const AdminOnly = () => SetMetadata(ACCESS, 'admin' satisfies Access);
