import express from 'express'

/** Reads a posted form. Ours have a handful of short fields. */
export const readForm = express.urlencoded({ extended: false, limit: '64kb' })
