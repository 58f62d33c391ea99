import { SetMetadata } from '@nestjs/common';

/** Who may call a route. Without a decorator: any identified caller. */
export type Access = 'public' | 'caller' | 'tenant-admin' | 'admin';

export const ACCESS = 'sluice:access';

/** Opens a route, or all of a controller's, to requests without identity; they have no `caller`. */
export const Public = () => SetMetadata(ACCESS, 'public' satisfies Access);

/** Only those who run the gateway: the admin scope in the tenant `default`. */
export const AdminOnly = () => SetMetadata(ACCESS, 'admin' satisfies Access);

/**
 * The admin scope in any tenant. For handlers that bind every query to the caller's tenant; all others would let
 * one tenant's administrator see and change what is everybody's.
 */
export const TenantAdmin = () => SetMetadata(ACCESS, 'tenant-admin' satisfies Access);
