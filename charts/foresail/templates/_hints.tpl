{{- /* Whether anything is written to Kubernetes. Unquoted, YAML's `off` and `on` are false and true. */}}
{{- define "foresail.writes" -}}
{{- $hints := .Values.hints -}}
{{- if or (ne $hints.mode "observe") (eq (toString $hints.victims) "deletion-cost") (has (toString $hints.events) (list "on" "true")) -}}
{{- if not .Values.kubernetes.enabled }}{{ fail "hints: kubernetes.enabled is false, and what is not seen cannot be written to" }}{{ end -}}
yes
{{- end -}}
{{- end }}

{{- /* `hints` of foresail.yaml; the Lease has the release's name. */}}
{{- define "foresail.hints" -}}
{{- $hints := omit .Values.hints "nodePools" "priorityClass" "releaseOnDelete" -}}
{{- $_ := set $hints "lease" (dict "name" (include "foresail.fullname" .)) -}}
{{- if and (eq .Values.hints.mode "placeholder") (ne .Values.hints.priorityClass "foresail-placeholder") -}}
{{- $_ := set $hints "priority_class" .Values.hints.priorityClass -}}
{{- end -}}
{{- toYaml $hints }}
{{- end }}

{{- /* The rights that each part of `hints` writes with, one role a part: nothing can be deleted. */}}
{{- define "foresail.writingRules" -}}
{{- if include "foresail.writes" . }}
{{- if has (toString .Values.hints.events) (list "on" "true") }}
events:
  - apiGroups: [events.k8s.io]
    resources: [events]
    verbs: [create, patch]
{{- end }}
{{- if eq (toString .Values.hints.victims) "deletion-cost" }}
victims:
  - apiGroups: [""]
    resources: [pods]
    verbs: [patch]
{{- end }}
{{- if eq .Values.hints.mode "capacity-buffer" }}
capacity-buffer:
  - apiGroups: [autoscaling.x-k8s.io]
    resources: [capacitybuffers]
    verbs: [get, list, create, patch]
  - apiGroups: [""]
    resources: [podtemplates]
    verbs: [get, create, patch]
{{- else if eq .Values.hints.mode "adopt" }}
adopt:
  - apiGroups: [autoscaling.x-k8s.io]
    resources: [capacitybuffers]
    verbs: [get, list, patch]
{{- else if eq .Values.hints.mode "placeholder" }}
placeholder:
  - apiGroups: [apps]
    resources: [deployments]
    verbs: [get, list, create, patch]
{{- end }}
{{- end }}
{{- end }}

{{- /* A role and its binding to the release's account, of `kind` Role (in `namespace`) or ClusterRole. */}}
{{- define "foresail.role" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "foresail.labels" .root | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "foresail.labels" .root | nindent 4 }}
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: {{ .kind }}, name: {{ .name | quote }} }
subjects:
  - { kind: ServiceAccount, name: {{ include "foresail.serviceAccountName" .root }}, namespace: {{ .root.Release.Namespace }} }
{{- end }}
