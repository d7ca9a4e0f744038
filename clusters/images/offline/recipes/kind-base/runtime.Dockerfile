# After the first stage of kind's own recipe. kind compiles the programs below from repositories that no
# package registry has; here they are Debian's, with kind's configuration of containerd.
RUN echo force-confold > /etc/dpkg/dpkg.cfg.d/keep-configuration \
 && clean-install containerd runc containernetworking-plugins kmod socat ebtables \
 && for program in containerd ctr containerd-shim-runc-v2; do ln -s "/usr/bin/$program" /usr/local/bin/; done \
 && ln -s /usr/sbin/runc /usr/local/sbin/runc \
 && mkdir -p /opt/cni && ln -s /usr/lib/cni /opt/cni/bin \
 && systemctl enable containerd.service kubelet.service undo-mount-hacks.service
