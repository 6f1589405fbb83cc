{{/* The restricted Pod Security Standard, and a root file system that nobody can write to. It names no user, since some clusters
choose the user themselves; elsewhere it is the image's. */}}
{{- define "lfh-sync.podSecurityContext" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "lfh-sync.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where a pod runs, and how it gets its image. */}}
{{- define "lfh-sync.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* The pod of a Job that runs one program of the image for a moment. Takes the root and `component`, `command`,
`env`, `volumeMounts` and `volumes`. */}}
{{- define "lfh-sync.jobPod" -}}
metadata:
  labels:
    {{- include "lfh-sync.selectorLabels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ include "lfh-sync.fullname" .root }}-hooks
  securityContext: {{- include "lfh-sync.podSecurityContext" .root | nindent 4 }}
  {{- include "lfh-sync.placement" .root | nindent 2 }}
  containers:
    - name: {{ .component }}
      image: {{ include "lfh-sync.image" .root | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: {{ toJson .command }}
      env:
        - name: POD_NAMESPACE
          valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
        {{- toYaml .env | nindent 8 }}
      securityContext: {{- include "lfh-sync.containerSecurityContext" .root | nindent 8 }}
      resources: {{- toYaml .root.Values.resources | nindent 8 }}
      {{- with .volumeMounts }}
      volumeMounts: {{- toYaml . | nindent 8 }}
      {{- end }}
  {{- with .volumes }}
  volumes: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
