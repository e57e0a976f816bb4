#!/bin/bash
# A real Kubernetes for the tests: Debian's own source package "kubernetes" is the complete upstream
# tree of 1.20 with all that it needs, so what a node is made of can be built from it. (Newer releases
# of Debian have kubectl alone.) Takes minutes, once: nothing is done when the binaries are there.
# usage: kubernetes_build.sh DIR      makes DIR/kube-apiserver, kube-controller-manager,
#                                     kube-scheduler, kubelet; 1.5 GB of scratch meanwhile
set -euo pipefail

(($# == 1)) || { sed -n '5,6s/^# //p' "$0" >&2; exit 2; }
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$1"
out=$(readlink -f "$1")
[[ ! -e $out/.complete ]] || exit 0
work=$out/.work
rm -rf "$work"
mkdir -p "$work"/{lists/partial,cache/archives/partial,gopath/src/k8s.io}
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT

# The source, without touching this machine's lists of packages.
(
    cd "$work"
    "$here/debian.sh" source bookworm | sed 's/^deb /deb-src /' >sources.list
    : >status
    options=(-qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status"
        -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update
    apt-get "${options[@]}" source --download-only kubernetes
    dpkg-source -x kubernetes_*.dsc src
) >&2

tree=$work/gopath/src/k8s.io/kubernetes
ln -s "$work/src" "$tree"
cd "$tree"
export GO111MODULE=off GOPATH=$work/gopath GOCACHE=$work/go CGO_ENABLED=0 GOFLAGS=-p=2

# The descriptions of the API's types are generated; the package is without them.
go build -o "$work/openapi-gen" k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen
inputs=$(grep -rl --include='*.go' -E '^// \+k8s:openapi-gen=true' pkg cmd vendor/k8s.io/*/ |
    xargs -n 1 dirname | sort -u | grep -v -E '/(kube-openapi|gengo|sample-[a-z-]*)/' |
    sed 's#^vendor/#k8s.io/kubernetes/vendor/#; t; s#^#k8s.io/kubernetes/#' | paste -sd ,)
"$work/openapi-gen" --logtostderr -i "$inputs" -p k8s.io/kubernetes/pkg/generated/openapi \
    -O zz_generated.openapi -h hack/boilerplate/boilerplate.generatego.txt -r "$work/violations"

flags="-s -w"
for package in component-base/version client-go/pkg/version; do
    name=k8s.io/kubernetes/vendor/k8s.io/$package
    flags+=" -X $name.gitMajor=1 -X $name.gitMinor=20 -X $name.gitVersion=v1.20.2"
    flags+=" -X $name.gitTreeState=clean -X $name.buildDate=2021-01-13T00:00:00Z"
done
for command in kube-apiserver kube-controller-manager kube-scheduler kubelet; do
    go build -trimpath -tags providerless,dockerless -ldflags "$flags" -o "$out/$command" \
        "k8s.io/kubernetes/cmd/$command"
done
touch "$out/.complete"
