"""Kernels with negative eigenvalues: how many of them are rounding, and what is said of the others."""


def refuse_indefinite(share: float, eps: float, *, centered: bool) -> None:
    """Raise ValueError if the kernel's most negative eigenvalue is more than a rounding error.

    Parameters
    ----------
    share : float
        Its size over that of the largest eigenvalue.
    eps : float
        Relative precision of the kernel's values. As in scikit-learn's KernelPCA a share of 5e-3 passes in
        float32, and one of 1e-5 in float64; so do a hundred roundings of what centring took off.
    centered : bool
        Whether the kernel is centred already.
    """
    if share > max(5e-3 if eps > 1e-10 else 1e-5, 100 * eps):
        instead = (
            "choose other kernel parameters or another kernel, for centring does not make it one"
            if centered
            else "choose other kernel parameters, another kernel, or center=True for a kernel that is only"
            " conditionally positive"
        )
        # The first words are those of scikit-learn.
        raise ValueError(
            f"There are significant negative eigenvalues, about {share:.1g} of the largest in size: expected"
            f" a positive semi-definite kernel on these data; {instead}"
        )


def eps_once_centered(eps: float, before: float, after: float) -> float:
    """Return the relative precision of a kernel that centring has taken from one size to another, at most 1.

    Examples
    --------
    >>> eps_once_centered(1e-16, before=100.0, after=0.5)
    2e-14
    """
    return eps if after >= before else eps * before / max(after, eps * before)
