{{/* The operator's rights are written in files/rules.yaml. Here the names in <> are replaced. */}}

{{/* The workload that has the sidecar now. When the values name another workload, the operator must remove the sidecar from this one. */}}
{{- define "lfh-sync.injected" -}}
{{- if .Capabilities.APIVersions.Has "sync.linuxforhealth.io/v1alpha1/LfhSyncNode" }}
{{- $node := lookup "sync.linuxforhealth.io/v1alpha1" "LfhSyncNode" .Release.Namespace "local" }}
{{- dig "status" "workload" "" $node | splitList "/" | last }}
{{- end }}
{{- end }}

{{/* JSON: the names that replace each placeholder; the list is empty if no such name is known. */}}
{{- define "lfh-sync.knownNames" -}}
{{- $names := .Values.watch.names }}
{{- $connect := dig "connect" "workloadRef" "name" "" .Values.node }}
{{- $injected := include "lfh-sync.injected" . }}
{{- $nats := dig "nats" "workloadRef" "name" "" .Values.node }}
{{- dict
  "<node>" (prepend $names.nodes "local" | uniq)
  "<connect>" (concat (list $connect $injected) $names.connect | compact | uniq)
  "<nats>" (prepend $names.nats $nats | compact | uniq)
  | toJson }}
{{- end }}

{{/* JSON: the parts of files/rules.yaml that the operator is given where it reconciles nodes. */}}
{{- define "lfh-sync.watchedParts" -}}
{{- $parts := list "watched" }}
{{- range list "nudgePods" "createSecrets" }}
{{- if index $.Values.rbac . }}
{{- $parts = append $parts . }}
{{- end }}
{{- end }}
{{- $parts | toJson }}
{{- end }}

{{/* YAML: a list of rules with its placeholders replaced. Takes the root and `parts`. A rule is left out if
no name is known for it: a rule with an empty list of names would match every object. */}}
{{- define "lfh-sync.rules" -}}
{{- $known := include "lfh-sync.knownNames" .root | fromJson }}
{{- $rules := list }}
{{- $file := .root.Files.Get "files/rules.yaml" | fromYaml }}
{{- range .parts }}
{{- range index $file . }}
{{- $rule := . }}
{{- if hasKey $rule "resourceNames" }}
{{- $resourceNames := list }}
{{- range $pattern := $rule.resourceNames }}
{{- $placeholder := regexFind "<[a-z]+>" $pattern }}
{{- if not $placeholder }}
{{- $resourceNames = append $resourceNames $pattern }}
{{- else if not (hasKey $known $placeholder) }}
{{- fail (printf "files/rules.yaml: the chart does not know what %s stands for" $placeholder) }}
{{- else }}
{{- range index $known $placeholder }}
{{- $resourceNames = append $resourceNames ($pattern | replace $placeholder .) }}
{{- end }}
{{- end }}
{{- end }}
{{- $rule = ternary (merge (dict "resourceNames" $resourceNames) (omit $rule "resourceNames")) dict (gt (len $resourceNames) 0) }}
{{- end }}
{{- with $rule }}
{{- $rules = append $rules . }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $rules }}
{{- end }}

{{/* Binds a Role or ClusterRole to a service account of the release. Takes the root, `kind`, `name`, `namespace` and `account`. */}}
{{- define "lfh-sync.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- include "lfh-sync.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}
