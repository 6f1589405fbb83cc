import { assertFit, clearMachine } from './machine.ts';
import { step } from './steps.ts';

/** Stops the cluster, and removes everything that it used on this machine. */
assertFit();
await step('the machine is clear', clearMachine);
