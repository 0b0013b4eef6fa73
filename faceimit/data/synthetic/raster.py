"""Numba kernels: z-buffer rasteriser, deferred shading, exact backward flow.

Screen space is pixels of the raster, x right, y down, pixel centres at +0.5. Depth is kept as 1/distance to the
camera (bigger is nearer), which is linear on the screen. Kernels release the GIL and are compiled once to a cache.
"""

import numpy as np
from numba import njit

NEAR_TOLERANCE = 0.0006  # relative difference of 1/distance below which two surfaces count as the same


@njit(nogil=True, cache=True, fastmath=True)
def rasterise(points, triangles, two_sided, size, inverse_depth, face, bary):
    """Fill z-buffer, triangle index and screen barycentrics; back faces are left out unless two-sided.

    Args:
        points: (V, 3) float32: x, y in pixels, 1/distance.
        triangles: (F, 3) int32.
        two_sided: (F,) bool.
        size: raster side in pixels.
        inverse_depth: output (size, size) float32, 0 where nothing is.
        face: output (size, size) int32, -1 where nothing is.
        bary: output (size, size, 2) float32, weights of the triangle's first two corners.
    """
    for i in range(size):
        for j in range(size):
            inverse_depth[i, j] = 0.0
            face[i, j] = -1
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
        bx, by, bz = points[b, 0], points[b, 1], points[b, 2]
        cx, cy, cz = points[c, 0], points[c, 1], points[c, 2]
        if az <= 0.0 or bz <= 0.0 or cz <= 0.0:
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9 or (area > 0.0 and not two_sided[f]):
            continue
        x0 = max(int(np.ceil(min(ax, bx, cx) - 0.5)), 0)
        x1 = min(int(np.floor(max(ax, bx, cx) - 0.5)), size - 1)
        y0 = max(int(np.ceil(min(ay, by, cy) - 0.5)), 0)
        y1 = min(int(np.floor(max(ay, by, cy) - 0.5)), size - 1)
        inverse = 1.0 / area
        for i in range(y0, y1 + 1):
            py = i + 0.5
            for j in range(x0, x1 + 1):
                px = j + 0.5
                wa = ((bx - px) * (cy - py) - (by - py) * (cx - px)) * inverse
                wb = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) * inverse
                wc = 1.0 - wa - wb
                if wa < -1e-5 or wb < -1e-5 or wc < -1e-5:
                    continue
                z = wa * az + wb * bz + wc * cz
                if z > inverse_depth[i, j]:
                    inverse_depth[i, j] = z
                    face[i, j] = f
                    bary[i, j, 0] = wa
                    bary[i, j, 1] = wb


@njit(nogil=True, cache=True, fastmath=True)
def vertex_normals(vertices, triangles, twins, normals):
    """Area-weighted unit vertex normals (V, 3) into ``normals``; twin vertices share theirs."""
    normals[:] = 0.0
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        vx, vy, vz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for v in (a, b, c):
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for k in range(twins.shape[0]):
        a, b = twins[k, 0], twins[k, 1]
        for d in range(3):
            total = normals[a, d] + normals[b, d]
            normals[a, d] = total
            normals[b, d] = total
    for v in range(normals.shape[0]):
        length = np.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2) + 1e-9
        for d in range(3):
            normals[v, d] /= length


@njit(nogil=True, cache=True, fastmath=True, inline="always")
def _corners(height, width, u, v):
    """Upper left texel and bilinear fractions of texel coordinates, clamped to the picture."""
    u = min(max(u, np.float32(0.0)), np.float32(width - 1.001))
    v = min(max(v, np.float32(0.0)), np.float32(height - 1.001))
    j, i = int(u), int(v)
    return i, j, u - np.float32(j), v - np.float32(i)


@njit(nogil=True, cache=True, fastmath=True)
def shade(points, triangles, uv, normals, shadow, lit, atlas, light, face, bary, image):
    """Deferred shading of every covered pixel into ``image`` (size, size, 3), linear light.

    Args:
        points: (V, 3) screen points, third column 1/distance.
        triangles: (F, 3) int32.
        uv: (V, 2) atlas coordinates in texels.
        normals: (V, 3) unit normals in camera space.
        shadow: (V,) factor on the light from all around, 1 unshadowed.
        lit: (V,) the same of the key light.
        atlas: (H, W, 5) uint8: square root of linear albedo RGB, gloss strength, translucency (light wrap), of 255.
        light: (6, 3) key direction, key colour, fill direction, fill colour, sky colour, ground colour.
        face: (size, size) of :func:`rasterise`.
        bary: (size, size, 2) of :func:`rasterise`.
        image: output.
    """
    size = image.shape[0]
    texel = np.zeros(5, dtype=np.float32)
    height, width = atlas.shape[0], atlas.shape[1]
    lx, ly, lz = light[0, 0], light[0, 1], light[0, 2]
    fx, fy, fz = light[2, 0], light[2, 1], light[2, 2]
    hx, hy, hz = lx, ly, lz + 1.0
    length = np.sqrt(hx * hx + hy * hy + hz * hz)
    hx, hy, hz = hx / length, hy / length, hz / length
    for i in range(size):
        for j in range(size):
            f = face[i, j]
            if f < 0:
                continue
            a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
            wa = bary[i, j, 0] * points[a, 2]
            wb = bary[i, j, 1] * points[b, 2]
            wc = (1.0 - bary[i, j, 0] - bary[i, j, 1]) * points[c, 2]
            total = 1.0 / (wa + wb + wc)
            wa, wb, wc = wa * total, wb * total, wc * total
            # Screen y points down, so triangles that face the viewer have negative area.
            area = (points[b, 0] - points[a, 0]) * (points[c, 1] - points[a, 1]) - (points[b, 1] - points[a, 1]) * (
                points[c, 0] - points[a, 0]
            )
            nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
            ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
            nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
            length = 1.0 / (np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-6)
            nx, ny, nz = nx * length, ny * length, nz * length
            v, u, fu, fv = _corners(
                height,
                width,
                wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0],
                wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1],
            )
            w00, w01, w10, w11 = (1 - fu) * (1 - fv), fu * (1 - fv), (1 - fu) * fv, fu * fv
            for k in range(5):
                texel[k] = (
                    w00 * atlas[v, u, k]
                    + w01 * atlas[v, u + 1, k]
                    + w10 * atlas[v + 1, u, k]
                    + w11 * atlas[v + 1, u + 1, k]
                ) / np.float32(255.0)
            for k in range(3):
                texel[k] *= texel[k]
            if area > 0:  # insides: of the mouth, of hair
                image[i, j, 0], image[i, j, 1], image[i, j, 2] = 0.05 * texel[0], 0.03 * texel[1], 0.03 * texel[2]
                continue
            dark = wa * shadow[a] + wb * shadow[b] + wc * shadow[c]
            seen = wa * lit[a] + wb * lit[b] + wc * lit[c]
            key = nx * lx + ny * ly + nz * lz
            fill = max(nx * fx + ny * fy + nz * fz, 0.0)
            sky = 0.5 + 0.5 * ny
            half = max(nx * hx + ny * hy + nz * hz, 0.0)
            gloss = half * half
            gloss = gloss * gloss
            gloss = gloss * gloss
            gloss = gloss * gloss
            sharp = gloss * gloss
            sharp = sharp * sharp
            gloss = 0.18 * texel[3] * gloss + max(texel[3] - 0.6, 0.0) * 2.5 * sharp * sharp
            for k in range(3):
                wrap = texel[4] * (1.0 if k == 0 else 0.6)
                diffuse = max((key + wrap) / (1.0 + wrap), 0.0)
                ambient = light[4, k] * sky + light[5, k] * (1.0 - sky) + light[3, k] * fill
                direct = seen * light[1, k] * diffuse * (0.4 + 0.6 * dark)
                shine = seen * dark * gloss * light[1, k] * (1.0 if key > 0 else 0.0)
                image[i, j, k] = texel[k] * (direct + dark * ambient) + shine


@njit(nogil=True, cache=True, fastmath=True)
def paint_background(background, x_offset, y_offset, scale, face, image, gain):
    """Sample the background (H, W, 3) where nothing was drawn; offsets and scale map raster pixels to its texels."""
    size = image.shape[0]
    height, width = background.shape[0], background.shape[1]
    for i in range(size):
        for j in range(size):
            if face[i, j] < 0:
                y, x, fu, fv = _corners(
                    height,
                    width,
                    np.float32((j + 0.5) * scale + x_offset - 0.5),
                    np.float32((i + 0.5) * scale + y_offset - 0.5),
                )
                for k in range(3):
                    top = background[y, x, k] * (1 - fu) + background[y, x + 1, k] * fu
                    bottom = background[y + 1, x, k] * (1 - fu) + background[y + 1, x + 1, k] * fu
                    image[i, j, k] = gain * (top * (1 - fv) + bottom * fv)


@njit(nogil=True, cache=True, fastmath=True)
def halve(image, curve, out):
    """Average 2x2 pixels of linear light and apply the tone curve (table over [0, 2]) into ``out`` float32 [0, 1]."""
    size = out.shape[0]
    last = curve.shape[0] - 1
    for i in range(size):
        for j in range(size):
            for k in range(3):
                value = 0.25 * (
                    image[2 * i, 2 * j, k]
                    + image[2 * i + 1, 2 * j, k]
                    + image[2 * i, 2 * j + 1, k]
                    + image[2 * i + 1, 2 * j + 1, k]
                )
                place = min(max(value * 0.5, 0.0), 1.0) * last
                low = min(int(place), last - 1)
                out[i, j, k] = curve[low] + (curve[low + 1] - curve[low]) * (place - low)


@njit(nogil=True, cache=True)
def backward_flow(points, before, triangles, face, bary, depth_before, shift, flow, hidden):
    """Exact flow of every raster pixel to where its surface point was in the previous frame.

    Args:
        points: (V, 3) screen points now.
        before: (V, 3) screen points in the previous frame.
        triangles: (F, 3) int32.
        face: (size, size) of this frame.
        bary: (size, size, 2) of this frame.
        depth_before: (size, size) z-buffer of the previous frame.
        shift: (3,) background map to the previous frame: scale, x and y offset in raster pixels.
        flow: output (size, size, 2) in raster pixels.
        hidden: output (size, size) bool, True where not visible before.
    """
    size = face.shape[0]
    for i in range(size):
        for j in range(size):
            f = face[i, j]
            px, py = j + 0.5, i + 0.5
            if f < 0:
                x, y, z = px * shift[0] + shift[1], py * shift[0] + shift[2], 0.0
            else:
                a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
                wa, wb = bary[i, j, 0] * points[a, 2], bary[i, j, 1] * points[b, 2]
                wc = (1.0 - bary[i, j, 0] - bary[i, j, 1]) * points[c, 2]
                # Perspective-correct weights now, turned into the previous frame's screen weights by its depths.
                total = wa + wb + wc
                wa, wb, wc = wa / total / before[a, 2], wb / total / before[b, 2], wc / total / before[c, 2]
                z = 1.0 / (wa + wb + wc)
                x = (wa * before[a, 0] + wb * before[b, 0] + wc * before[c, 0]) * z
                y = (wa * before[a, 1] + wb * before[b, 1] + wc * before[c, 1]) * z
            flow[i, j, 0] = x - px
            flow[i, j, 1] = y - py
            hidden[i, j] = _hidden(x, y, z, depth_before)


@njit(nogil=True, cache=True)
def _hidden(x, y, z, depth):
    """Whether the point lies outside the picture or behind all four z-buffer samples around it."""
    size = depth.shape[0]
    if x < 0.0 or y < 0.0 or x > size or y > size:
        return True
    j, i = int(np.floor(x - 0.5)), int(np.floor(y - 0.5))
    for di in range(2):
        for dj in range(2):
            r, s = min(max(i + di, 0), size - 1), min(max(j + dj, 0), size - 1)
            if z <= 0.0:
                if depth[r, s] <= 0.0:
                    return False
            elif depth[r, s] <= z * (1.0 + NEAR_TOLERANCE):
                return False
    return True


@njit(nogil=True, cache=True)
def reduce_flow(flow, hidden, depth):
    """Flow and occlusion of picture pixels from their 2x2 raster pixels.

    The nearest of the four decides; those on other surfaces (another depth or motion) are left out of the mean.

    Args:
        flow: (2S, 2S, 2) raster pixels.
        hidden: (2S, 2S) bool.
        depth: (2S, 2S) 1/distance of this frame.

    Returns:
        (2, S, S) float32 flow in picture pixels and (S, S) bool occlusion (at least two of four hidden).
    """
    size = flow.shape[0] // 2
    result, occluded = np.empty((2, size, size), np.float32), np.empty((size, size), np.bool_)
    for i in range(size):
        for j in range(size):
            near, count = -1.0, 0
            ni, nj = 2 * i, 2 * j
            for a in range(2 * i, 2 * i + 2):
                for b in range(2 * j, 2 * j + 2):
                    count += hidden[a, b]
                    if depth[a, b] > near:
                        near, ni, nj = depth[a, b], a, b
            sx, sy, n = 0.0, 0.0, 0
            for a in range(2 * i, 2 * i + 2):
                for b in range(2 * j, 2 * j + 2):
                    dx, dy = flow[a, b, 0] - flow[ni, nj, 0], flow[a, b, 1] - flow[ni, nj, 1]
                    if dx * dx + dy * dy < 0.25:
                        sx += flow[a, b, 0]
                        sy += flow[a, b, 1]
                        n += 1
            result[0, i, j], result[1, i, j] = 0.5 * sx / n, 0.5 * sy / n
            occluded[i, j] = count >= 2
    return result, occluded
