import type { JsonPatchStep, Kind, KubeObject } from '../api/objects.ts';

/**
 * What the controller asks of the place where its objects are: the API server of a cluster (operator/kube/client.ts), or a directory of
 * files (operator/directory/directory-cluster.ts). Both take and return the API's plain JSON, and both mean by each method what the API
 * means by it.
 *
 * Every method throws KubeError, with the codes of the API: 404 for what is not there, 409 for what has changed since it was read, 422
 * for what is invalid.
 */
export interface Cluster {
  /** @returns undefined for what is not there, and for a name that no object can have */
  get<Value extends KubeObject>(kind: Kind, namespace: string, name: string): Promise<Value | undefined>;

  /** Lists the objects of one namespace, or of all of them. */
  list<Value extends KubeObject>(kind: Kind, namespace?: string, labelSelector?: string): Promise<Listing<Value>>;

  /** Lists some objects at a time. @throws KubeError, also (code 410) when reading the pages took longer than the list is remembered */
  pages<Value extends KubeObject>(
    kind: Kind,
    namespace: string | undefined,
    selection: Selection,
  ): AsyncGenerator<Listing<Value>>;

  /** @throws KubeError, with `isAlreadyExists` where there is an object of that name */
  create<Value extends KubeObject>(object: Value): Promise<Value>;

  /** @throws KubeError, with `isConflict` where the object has changed since `metadata.resourceVersion` */
  replace<Value extends KubeObject>(object: Value): Promise<Value>;

  /**
   * Server-side apply: gives the object these fields, and removes those that we gave it before and no longer do. It is
   * forced, because what is applied here is ours alone: what somebody else has written into these fields is undone.
   */
  apply<Value extends KubeObject>(object: Value, subresource?: '' | '/status'): Promise<Value>;

  /** Applies as another field manager: what one of them gave is not lost when the other gives less. */
  applyAs<Value extends KubeObject>(manager: string, object: Value, subresource?: string): Promise<Value>;

  /**
   * Removes fields, no matter who wrote them; an apply removes only our own.
   *
   * @param fields a merge patch, with `null` for each field to remove
   */
  remove(object: KubeObject, fields: object, subresource?: string): Promise<void>;

  /** Carries out a JSON patch (RFC 6902): all of its steps, or none. */
  patch(object: KubeObject, steps: readonly JsonPatchStep[]): Promise<void>;

  /** Deletes an object; one that does not exist counts as deleted. */
  delete(kind: Kind, namespace: string, name: string): Promise<void>;

  /**
   * Follows what changes after `resourceVersion`, until the other side ends the watch or `signal` is aborted.
   *
   * @throws KubeError, also (code 410) when that version is no longer remembered, so that everything must be listed again
   */
  watch(
    kind: Kind,
    namespace: string | undefined,
    resourceVersion: string,
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
    fieldSelector?: string,
  ): Promise<void>;
}

export interface Listing<Value extends KubeObject> {
  readonly items: readonly Value[];
  readonly resourceVersion: string;
}

/** Which objects of a kind are meant. Both fields are as the API's query has them; empty means all. */
export interface Selection {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: KubeObject & { readonly code?: number; readonly message?: string; readonly reason?: string };
}
