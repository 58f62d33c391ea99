import { Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { UsageModule } from '@sluice/usage';
import { UsageSchedule } from './schedules/usage.schedule.js';

/** Work that comes with the clock. In the worker process, or inside the gateway (`WORKER_INLINE`). */
@Module({
  imports: [ScheduleModule.forRoot(), UsageModule],
  providers: [UsageSchedule],
})
export class SchedulesModule {}
