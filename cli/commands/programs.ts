/** The names by which the program is called: the second is how kubectl finds it, as `kubectl lfh-sync`. */
export const PROGRAMS = ['lfh-sync', 'kubectl-lfh_sync'] as const;
